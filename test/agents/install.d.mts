export function installAgents(): void;

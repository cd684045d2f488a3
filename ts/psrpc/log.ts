/** As much of a log as this folder needs. */
export interface RpcLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

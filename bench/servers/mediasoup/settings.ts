/** What the server program is told on its command line, as JSON. */

export interface Settings {
  /** Module that is mediasoup, as a file URL. */
  mediasoup: string;
  /** Where it listens for signaling. */
  host: string;
  port: number;
  apiKey: string;
  apiSecret: string;
  /** Of media. */
  ip: string;
  ports: { first: number; last: number };
  /** One UDP port, the first, for all media. */
  mux: boolean;
  /** Estimates what subscribers' lines carry, by transport-wide sequence numbers. */
  sendSideBwe: boolean;
}

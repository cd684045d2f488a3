/** A connection that is refused before its upgrade, with the HTTP answer the client gets. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** What we use of a library that has no types of its own. */
declare module 'ua-parser-js' {
  interface Named {
    readonly name: string | undefined;
    readonly version: string | undefined;
  }

  export class UAParser {
    constructor(userAgent: string);
    getResult(): {
      readonly browser: Named;
      readonly os: Named;
      readonly device: { readonly model: string | undefined };
    };
  }
}

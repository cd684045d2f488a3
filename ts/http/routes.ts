import type { Call, Route } from './pipeline.ts';
import { notFound } from './reply.ts';
import type { Reply } from './types.ts';

/** Finds a request's route: by its whole path, else by the longest prefix that ends in `/`, else 404. */
export class Routes {
  readonly #exact = new Map<string, Route>();
  readonly #prefixes: { readonly prefix: string; readonly route: Route }[] = [];

  exact(path: string, route: Route): this {
    this.#exact.set(path, route);
    return this;
  }

  below(prefix: `${string}/`, route: Route): this {
    this.#prefixes.push({ prefix, route });
    this.#prefixes.sort((left, right) => right.prefix.length - left.prefix.length);
    return this;
  }

  readonly handle = async (call: Call): Promise<Reply> => {
    const route =
      this.#exact.get(call.path) ?? this.#prefixes.find(({ prefix }) => call.path.startsWith(prefix))?.route;
    return route === undefined ? notFound() : route(call);
  };
}

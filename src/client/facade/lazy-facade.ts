/** Objects whose methods are loaded with the first call of one of them. */
import { loadedOnce } from "../../member/api/loaded-once.ts";

/** The names of the methods that return promises. */
type Unary<Facade> = {
  readonly [
    Name in keyof Facade as Facade[Name] extends (...parameters: never[]) => Promise<unknown> ? Name : never
  ]-?: 1;
};

/** The methods of a facade that can be loaded with their first call. */
export type UnaryOf<Facade> = Pick<Facade, keyof Unary<Facade> & keyof Facade>;

type Methods = Readonly<Record<string, (...parameters: readonly unknown[]) => unknown>>;

/**
 * Returns an object with the named methods, which the compiler compares with the facade's. `check` is called at once with
 * each call, and what it throws rejects the call.
 */
export function lazyFacade<Facade extends object>(
  names: Unary<NoInfer<Facade>>,
  load: () => Promise<UnaryOf<NoInfer<Facade>>>,
  check: () => void = () => {},
): UnaryOf<Facade> {
  const loaded = loadedOnce(load);
  const methods = Object.keys(names).map((name) => [
    name,
    async (...parameters: readonly unknown[]) => {
      check();
      return ((await loaded()) as Methods)[name]?.(...parameters);
    },
  ]);
  return Object.fromEntries(methods) as UnaryOf<Facade>;
}

/** Takes a database out of one browser profile and puts it into another, as somebody does who has copied its files. */
import type { Page } from "playwright-core";

/** As JSON: binary and big values are marked. */
export interface CopiedDatabase {
  readonly name: string;
  readonly version: number;
  readonly stores: readonly { readonly name: string; readonly records: readonly (readonly [string, string])[] }[];
}

export function databaseOf(page: Page, databaseName: string): Promise<CopiedDatabase> {
  return page.evaluate(async (name) => {
    const packed = (value: unknown): string =>
      JSON.stringify(value, (_, inner: unknown) => {
        if (typeof inner === "bigint") return { $big: `${inner}` };
        if (inner === undefined) return { $none: true };
        if (inner instanceof ArrayBuffer) return { $buffer: [...new Uint8Array(inner)] };
        if (ArrayBuffer.isView(inner)) {
          const bytes = new Uint8Array(inner.buffer, inner.byteOffset, inner.byteLength);
          return { $view: inner.constructor.name, bytes: [...bytes] };
        }
        return inner;
      });
    const result = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.addEventListener("success", () => resolve(request.result));
        request.addEventListener("error", () => reject(new Error("it cannot be read")));
      });
    const database = await result(indexedDB.open(name));
    const names = [...database.objectStoreNames];
    const transaction = database.transaction(names);
    const stores = await Promise.all(
      names.map(async (store) => {
        const source = transaction.objectStore(store);
        const [keys, values] = await Promise.all([result(source.getAllKeys()), result(source.getAll())]);
        return { name: store, records: keys.map((key, at): [string, string] => [packed(key), packed(values[at])]) };
      }),
    );
    const { version } = database;
    database.close();
    return { name, version, stores };
  }, databaseName);
}

export function copyDatabase(page: Page, copied: CopiedDatabase): Promise<void> {
  return page.evaluate(async ({ name, version, stores }) => {
    interface Marked {
      readonly $big?: string;
      readonly $none?: true;
      readonly $buffer?: readonly number[];
      readonly $view?: string;
      readonly bytes?: readonly number[];
    }
    const revived = (value: unknown): unknown => {
      if (typeof value !== "object" || value === null) return value;
      const { $big, $none, $buffer, $view, bytes = [] } = value as Marked;
      if ($big !== undefined) return BigInt($big);
      if ($none === true) return undefined;
      if ($buffer !== undefined) return new Uint8Array($buffer).buffer;
      if ($view !== undefined) {
        const { buffer } = new Uint8Array(bytes);
        const View = (globalThis as unknown as Record<string, new (from: ArrayBuffer) => unknown>)[$view];
        return View === undefined ? undefined : new View(buffer);
      }
      if (Array.isArray(value)) return value.map(revived);
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revived(inner)]));
    };
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.open(name, version);
      request.addEventListener("upgradeneeded", () => {
        for (const store of stores) request.result.createObjectStore(store.name);
      });
      request.addEventListener("error", () => reject(new Error("it cannot be written")));
      request.addEventListener("success", () => {
        const database = request.result;
        const transaction = database.transaction(
          stores.map((store) => store.name),
          "readwrite",
        );
        for (const store of stores) {
          for (const [key, value] of store.records) {
            transaction
              .objectStore(store.name)
              .put(revived(JSON.parse(value)), revived(JSON.parse(key)) as IDBValidKey);
          }
        }
        transaction.addEventListener("complete", () => {
          database.close();
          resolve();
        });
        transaction.addEventListener("abort", () => reject(new Error("it cannot be written")));
      });
    });
  }, copied);
}

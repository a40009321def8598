/** Calls in the name of a user, whose code is loaded with the first call: most clients have no user. */
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { ClientServices } from "../common/client-services.ts";
import type { User } from "./authenticated.ts";
import { rareFacades } from "./lazy-code.ts";
import { lazyFacade } from "./lazy-facade.ts";

export function lazyUser(given: ClientServices, user: User): ClientServices {
  const all = loadedOnce(async () => {
    const [{ authenticated }, services] = await Promise.all([rareFacades(), given.all()]);
    return authenticated(services, user);
  });
  const kv = async (): Promise<ClientServices["kv"]> => (await all()).kv;
  return {
    kv: lazyFacade<ClientServices["kv"]>({ range: 1, put: 1, deleteRange: 1, txn: 1, compact: 1 }, kv),
    common: all,
    all,
  };
}

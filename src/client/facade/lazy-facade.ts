/** The facades that few programs use, loaded with their first call. */
import { loadedOnce } from "../../member/api/lazy-service.ts";
import type { Services } from "../../member/api/services.ts";
import type { Call } from "../common/call.ts";
import type { AuthClient } from "./auth.ts";
import type { ClusterClient } from "./cluster.ts";
import type { MaintenanceClient } from "./maintenance.ts";

export interface LazyFacades {
  readonly auth: AuthClient;
  readonly cluster: ClusterClient;
  readonly maintenance: MaintenanceClient;
}

export function lazyFacades(services: Services, call: Call): LazyFacades {
  const maintenance = loadedOnce(async () => (await import("./maintenance.ts")).maintenanceClient(services, call));
  return {
    auth: lazyFacade(async () => (await import("./auth.ts")).authClient(services, call)),
    cluster: lazyFacade(async () => (await import("./cluster.ts")).clusterClient(services, call)),
    maintenance: lazyFacade<MaintenanceClient>(maintenance, {
      async *snapshot(options) {
        yield* (await maintenance()).snapshot(options);
      },
    }),
  };
}

type Method = (this: object, ...parameters: readonly unknown[]) => unknown;

/** Every name is a method that resolves to what the loaded facade's method of that name resolves to. */
function lazyFacade<Facade extends object>(load: () => Promise<Facade>, own: Partial<Facade> = {}): Facade {
  const loaded = loadedOnce(load);
  return new Proxy(own, {
    get(_, name) {
      // `await` on a facade looks for a `then` method.
      if (typeof name !== "string" || name === "then") return undefined;
      const method = Reflect.get(own, name) as unknown;
      if (method !== undefined) return method;
      return async (...parameters: readonly unknown[]) => {
        const facade = await loaded();
        return (Reflect.get(facade, name) as Method).call(facade, ...parameters);
      };
    },
  }) as Facade;
}

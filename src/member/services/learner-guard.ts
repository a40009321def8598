/**
 * Restricts a learner to what etcd's serves: its status, snapshots of its data, and serializable ranges. Checked first,
 * for every service. In a room learners serve like all members, so this is an option.
 */
import { errNotSupportedForLearner } from "../../protocol/errors.ts";
import type { Member } from "../node/member.ts";
import type { KvService, Services } from "../api/services.ts";

type Method = (...args: never[]) => unknown;

export function refusingLearner(services: Services, member: Member): Services {
  const check = (): void => {
    if (member.machine.membership.get(member.id)?.isLearner === true) throw errNotSupportedForLearner;
  };
  const range: KvService["range"] = async (request, context) => {
    if (!request.serializable) check();
    return services.kv.range(request, context);
  };
  const { maintenance } = services;
  return {
    ...services,
    kv: { ...refusing(services.kv, check), range },
    watch: refusing(services.watch, check),
    lease: refusing(services.lease, check),
    lock: refusing(services.lock, check),
    election: refusing(services.election, check),
    auth: refusing(services.auth, check),
    cluster: refusing(services.cluster, check),
    maintenance: {
      ...refusing(maintenance, check),
      status: (request, context) => maintenance.status(request, context),
      snapshot: (request, context) => maintenance.snapshot(request, context),
    },
  };
}

/** These are refused when the stream is opened; unary calls by a rejected promise. */
const STREAMS: ReadonlySet<string> = new Set(["watch", "resume", "observe", "rangeStream"]);

function refusing<Service extends object>(service: Service, check: () => void): Service {
  const methods = Object.entries(service as Readonly<Record<string, Method>>).map(([name, method]) => {
    const stream = (...args: never[]): unknown => {
      check();
      return method(...args);
    };
    return [name, STREAMS.has(name) ? stream : async (...args: never[]): Promise<unknown> => stream(...args)];
  });
  return Object.fromEntries(methods) as Service;
}

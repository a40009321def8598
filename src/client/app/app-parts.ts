/** What applications call above etcd's calls. It is loaded together, with the first of them. */
export { acquire, withLock } from "./held-lock.ts";
export { electionOf } from "./leadership.ts";
export { follow } from "./live-follower.ts";
export { NamespaceKeys } from "./namespace-keys.ts";
export { presence } from "./presence.ts";
export { valueFormat } from "./schema.ts";
export { transaction } from "./transaction.ts";

/** The facades that few programs use. They are loaded together, with the first call of one of them. */
export { authClient } from "./auth.ts";
export { authenticated } from "./authenticated.ts";
export { clusterClient } from "./cluster.ts";
export { maintenanceClient } from "./maintenance.ts";
export { statusOf } from "./status.ts";

/** What an application imports that talks to an endpoint; size.ts bundles it. */
export { createClient } from "../../../src/client/client.ts";
export { httpServices } from "../../../src/client/http/http-services.ts";

/** What an application loads that talks to an endpoint and imports nothing but `connect`; size.ts bundles it. */
export { connect } from "../../../src/entry/index.ts";

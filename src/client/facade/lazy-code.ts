/** The code of the methods that are loaded with their first call. */
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type * as common from "./common-facades.ts";
import type * as rare from "./rare-facades.ts";

export const commonFacades: () => Promise<typeof common> = /* @__PURE__ */ loadedOnce(
  () => import("./common-facades.ts"),
);

export const rareFacades: () => Promise<typeof rare> = /* @__PURE__ */ loadedOnce(() => import("./rare-facades.ts"));

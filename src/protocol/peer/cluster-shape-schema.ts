/** Who votes in a room's cluster, as the log says it and as it is stored. */
import { closedEnum, id, message, repeated } from "../codec/schema.ts";
import type { Schema } from "../codec/schema.ts";

/**
 * "edge": objects at the server, and tabs are learners. "mixed": objects and tabs together. "tabs": tabs alone, where
 * objects voted before. "none": the log says nothing, as in clusters without tabs, in rooms that never had an object, and in
 * those of earlier versions.
 */
export type ShapeName = "none" | "edge" | "mixed" | "tabs";

export interface ClusterShape {
  readonly shape: ShapeName;
  /** The members that are objects, or are to be; all others are tabs. */
  readonly objects: readonly bigint[];
}

export const NO_SHAPE: ClusterShape = { shape: "none", objects: [] };

export const clusterShapeSchema: Schema<ClusterShape> = message<ClusterShape>(
  "quorate.ClusterShape",
  () => ({ shape: "none", objects: [] }),
  {
    shape: closedEnum<ShapeName>(1, "shape", ["none", "edge", "mixed", "tabs"]),
    objects: repeated(id(2, "objects", "unsigned")),
  },
);

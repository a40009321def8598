/** How the shape of a room's cluster changes: part of the replicated state, and pure. */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { ClusterShape } from "../../protocol/peer/cluster-shape-schema.ts";
import type { MemberChange } from "../../protocol/peer/member-change-schema.ts";

const OBJECTS_MAX = 16;

export const errBadShape: EtcdError = new EtcdError(
  GrpcCode.InvalidArgument,
  "a cluster's shape is edge or mixed, and names the members that are objects",
);

export function isShape(shape: ClusterShape | undefined): boolean {
  if (shape === undefined || shape.shape === "none") return false;
  return shape.objects.length > 0 && shape.objects.length <= OBJECTS_MAX;
}

/** Operators add objects only: a tab asks to join. */
export function shapeAfter(shape: ClusterShape, change: MemberChange | undefined): ClusterShape {
  if (change === undefined) return shape;
  if (isShape(change.shape)) return change.shape ?? shape;
  const isKnown = shape.shape === "none" || shape.objects.includes(change.id) || shape.objects.length >= OBJECTS_MAX;
  return change.rule === "add" && !isKnown ? { ...shape, objects: [...shape.objects, change.id] } : shape;
}

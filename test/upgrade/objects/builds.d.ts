/** The built workers, which are modules of their own beside this one. */
declare module "old-build.js" {
  export const EdgeMember: unknown;
  const worker: ExportedHandler;
  export default worker;
}
declare module "new-build.js" {
  export const EdgeMember: unknown;
  export const ClusterRegistry: unknown;
  export const RoomSignalling: unknown;
  const worker: ExportedHandler;
  export default worker;
}

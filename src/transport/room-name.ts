/** A room's name: good in a path, a lock and a database. The signalling server's rule too. */
const ROOM_NAME = /^[A-Za-z0-9][A-Za-z0-9_.~-]{0,63}$/;

export function isRoomName(name: string): boolean {
  return ROOM_NAME.test(name);
}

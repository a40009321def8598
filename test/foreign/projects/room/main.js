import { openRoom } from "quorate/room";

const { searchParams } = new URL(location.href);
const open = () =>
  openRoom(searchParams.get("room"), {
    signalling: searchParams.get("signalling"),
    secret: location.hash,
    shape: searchParams.get("shape") ?? undefined,
  });

// For the test to call.
window.openAgain = open;
window.client = open();

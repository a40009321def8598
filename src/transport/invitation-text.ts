/** The form of an invitation's code, which is looked at in every page (invitation-code.ts makes and reads it). */

const CODE = /^[A-Za-z0-9_-]{128}$/;

/** Returns whether the text is a complete code. A changed one may be: only the registry and the members can tell. */
export function isInvitationCode(text: string): boolean {
  return CODE.test(text);
}

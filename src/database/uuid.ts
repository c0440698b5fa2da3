const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether `text` can be an identifier of ours. Postgres refuses a statement that compares a uuid with anything else. */
export function isUuid(text: string): boolean {
  return uuidPattern.test(text);
}

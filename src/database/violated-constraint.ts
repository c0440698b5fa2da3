/** integrity_constraint_violation and its kin (PostgreSQL manual, appendix A, class 23). */
const integrityClass = '23';

/** The name of the constraint that a statement broke, or undefined for any other error. */
export function violatedConstraint(error: unknown): string | undefined {
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  if (typeof code !== 'string' || !code.startsWith(integrityClass)) return undefined;
  return typeof constraint === 'string' ? constraint : undefined;
}

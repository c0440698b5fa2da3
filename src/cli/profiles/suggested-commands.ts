import { commandNames } from '../command-line/commands.ts';

/** Profiles are named behind `profile` itself. */
const names = commandNames.filter((name) => name !== 'profile');
const suggested = new RegExp(`\\bsally (?=(?:${names.join('|')})\\b)`, 'g');

/** The text with its commands for the same profile, as whoever chose one with --profile would have to type them. */
export function forProfile(text: string, profile: string): string {
  return text.replace(suggested, `sally --profile ${profile} `);
}

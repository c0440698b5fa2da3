/**
 * Answers POST /menu: one request per key press, the screen as the reply, until a target is chosen. Decided anew each
 * time, so a menu that stays open shows what is so now. Where each menu stands is kept in memory for as long as its
 * connection lives; a companion that was restarted begins again.
 */
import { liveConnection, relayTo } from './answer-route.ts';
import type { Answering } from './answering.ts';
import { readAsked } from './asked-target.ts';
import { type Connection, connectionKey } from './connection-file.ts';
import { decideOffer, type Facts } from './decide-offer.ts';
import { type MenuState, type MenuStep, openMenu, pressKeys } from './menu.ts';
import { clearScreen, menuScreen, pageOf, type ScreenSize } from './menu-screen.ts';
import { type MenuTarget, menuTargets } from './menu-targets.ts';
import { routeReply } from './route-reply.ts';
import type { AnswerForm } from './unix-socket-server.ts';

/** An open connection can start many sessions, each with a menu of its own. */
const mostOfConnection = 10;

interface OpenMenu {
  readonly connection: string;
  readonly state: MenuState;
}

/** @returns the route; its form: ticket, asked, menu (which of the connection's), keys, rows, columns */
export function menuAnswer(answering: Answering): AnswerForm {
  const open = new Map<string, OpenMenu>();
  return async (form, gone) => {
    const basis = answering.current();
    const connection = liveConnection(answering, form);
    if (basis === undefined || connection === undefined) return undefined;
    const { facts } = basis;
    const decision = decideOffer(connection.offer, connection.user, facts);
    if (!decision.menu) return undefined;
    const targets = menuTargets(decision, facts, connection.offer);
    if (targets.length === 0) return routeReply({ kind: 'words', text: nothingToChoose });

    const key = `${connectionKey(connection)} ${(form.get('menu') ?? '').slice(0, 20)}`;
    const before = open.get(key)?.state;
    const step = nextStep(before, form, targets);
    open.delete(key);
    if (step.kind === 'quit') return 'end\n';
    if (step.kind === 'chosen') {
      const target = decision.allowed.find(({ targetName }) => targetName === step.target.name);
      if (target === undefined) return undefined;
      return routeReply(await relayTo(answering, connection, target, { facts, asked: null, gone }));
    }
    keep(open, answering, key, { connection: connectionKey(connection), state: step.state });
    const screen = menuScreen(step.state, targets, titleOf(connection, facts), sizeOf(form));
    return `screen\n${before === undefined ? clearScreen : ''}${screen}`;
  };
}

function nextStep(
  before: MenuState | undefined,
  form: URLSearchParams,
  targets: readonly MenuTarget[],
): MenuStep {
  const page = pageOf(sizeOf(form));
  if (before !== undefined) return pressKeys({ ...before, page }, form.get('keys') ?? '', targets);
  const asked = readAsked(form.get('asked') ?? '', targets);
  return openMenu(targets, page, asked.kind === 'app' ? asked.instances[0] : undefined);
}

/** Menus of connections that are gone go, and the oldest of one that has too many. */
function keep(open: Map<string, OpenMenu>, { connections }: Answering, key: string, menu: OpenMenu): void {
  const live = new Set(connections.all().map(connectionKey));
  for (const [other, { connection }] of open) if (!live.has(connection)) open.delete(other);
  open.set(key, menu);
  const own = [...open].filter(([, { connection }]) => connection === menu.connection);
  for (const [oldest] of own.slice(0, -mostOfConnection)) open.delete(oldest);
}

function titleOf({ offer }: Connection, { state }: Facts) {
  return { account: offer.account, gateway: state.companion.name };
}

const nothingToChoose = 'You have no role on any target behind this gateway. Ask an admin for one.';

/** A terminal that does not know its size says 0. */
function sizeOf(form: URLSearchParams): ScreenSize {
  const read = (name: string, otherwise: number) => {
    const found = form.get(name) ?? '';
    return /^[1-9][0-9]{0,3}$/.test(found) ? Number(found) : otherwise;
  };
  return { rows: read('rows', 24), columns: read('columns', 80) };
}

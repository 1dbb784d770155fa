// @ts-check
/** The scenes by name. */

import { aloud } from './aloud.mjs';
import { evening } from './evening.mjs';
import { idle } from './idle.mjs';
import { late } from './late.mjs';
import { newSession } from './new_session.mjs';
import { pause } from './pause.mjs';
import { reload } from './reload.mjs';
import { scripted } from './scripted.mjs';
import { talk } from './talk.mjs';

/** @type {Record<string, (game: import('../game.mjs').Game, line: import('../line.mjs').Line) => Promise<void>>} */
export const SCENES = { aloud, evening, idle, late, new_session: newSession, pause, reload, scripted, talk };

import pino, { type Logger } from "pino";

/** The server's own log: pino's JSON lines. */
export type Log = Logger;

/** Levels of {@link createLog}, from chatty to mute. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A log on stdout; lines are written at once, so that a crash loses none. */
export function createLog(level: LogLevel): Log {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 1, sync: true }));
}

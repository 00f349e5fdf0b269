/**
 * How a process ends that cannot start as it is configured, whatever is tried again (EX_CONFIG of sysexits.h): it has said
 * why, and its supervisor need not ask a second time.
 */
export const cannotStart = 78;

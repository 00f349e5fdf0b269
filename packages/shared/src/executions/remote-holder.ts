/**
 * Who holds a running execution that was handed over to a remote engine's service: no process of ours, so that no lease
 * can end under it and no worker's drain or restart touches it. Its exits are the service's completion, a cancel, and the
 * end of the attempt's timeout. The migration puts a row of this id into `processes`, whose lease never ends.
 */
export const remoteHolder = "00000000-0000-0000-0000-000000000000";

/** How the holder is called where workers are listed. */
export const remoteHolderName = "remote";

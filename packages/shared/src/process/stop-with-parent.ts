/**
 * Ends this process with the supervisor that started it, also when that one was killed and could say
 * nothing: the channel between the two closes with either of them. Without such a channel (started by
 * hand, by systemd, in a container) this does nothing.
 *
 * @param stop asked once to stop cleanly, as after SIGTERM
 */
export function stopWithParent(stop: () => void): void {
  if (process.send === undefined) return;
  if (!process.connected) {
    stop();
    return;
  }
  process.once("disconnect", stop);
  // Listening for its end is no reason to stay alive.
  process.channel?.unref();
}

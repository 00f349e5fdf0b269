/** Places where a fault test may stop, delay or kill a process; production passes none. */
export interface FaultHooks {
  afterRecord?(): Promise<void>;
  afterEnqueue?(): Promise<void>;
  afterStart?(): Promise<void>;
  /** The service has taken an execution on, and that is not recorded yet. */
  beforeHandOver?(): Promise<void>;
  beforeSettle?(): Promise<void>;
  afterSettle?(): Promise<void>;
}

/** Places where a fault test may stop, delay or kill a process; production passes none. */
export interface FaultHooks {
  afterRecord?(): Promise<void>;
  afterEnqueue?(): Promise<void>;
  afterStart?(): Promise<void>;
  beforeSettle?(): Promise<void>;
  afterSettle?(): Promise<void>;
}

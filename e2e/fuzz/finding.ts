/** Something that an answer did and must not do. */
export interface Finding {
  /** Findings of one kind are one defect: what is wrong, where, with which status. */
  readonly kind: string;
  readonly detail: string;
}

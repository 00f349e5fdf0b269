/**
 * The API's own words, as types. The one file that names the contract package: the build puts the
 * contract's declarations beside it, so that the packed client needs no other package of ours.
 */
export type * from "@tl-engine/contract";

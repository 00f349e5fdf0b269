/** The address of a package as `TL_ENGINES` names it. Apart, so that the worker's own thread loads nothing else. */
export const packageScheme = "package:";

/** Why something did not go well, in an editor's words. */
import { maybe, t } from "./messages.js";

/** Why a request failed and what to do; a reason that is newer than the desk is read as `internal`. */
export function reasonWords(reason) {
  return maybe(`reason.${reason}`) ?? t("reason.internal");
}

/** Why the gateway did not do something, of a `Problem`; one that is newer than the desk is read as `http_error`. */
export function problemWords({ reason }) {
  return maybe(`problem.${reason}`) ?? maybe(`reason.${reason}`) ?? t("problem.http_error");
}

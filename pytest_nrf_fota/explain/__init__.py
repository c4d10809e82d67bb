"""Why an upgrade did not happen: a case, rules that know causes, and the explanation."""

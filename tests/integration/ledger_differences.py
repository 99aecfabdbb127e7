"""Cases of the network from which we differ on purpose: the finding's number, and why."""

DIFFERENCES: dict[str, tuple[str, str]] = {
    "insert-local-false-does-not-touch-file": (
        "17",
        "a change that goes nowhere is refused: `local = false` without a master is a mistake",
    ),
    "add-no-ledger-flag": (
        "5",
        "what is added waits for the master as inserted policies do, so that no sync discards it",
    ),
    "add-duplicate": ("5", "the same"),
    "add-list": ("5", "the same"),
    "validate-table-without-create-accepted": (
        "7",
        "a `table` without `create` is refused where it is inserted; it stops no network",
    ),
    "get-11-get-operator-where-city-san-francisco-bring-name": (
        "",
        "values with blanks need no quotes",
    ),
    "get-20-get-device-where-name-d2-bring-name": (
        "",
        "the attributes of a JSON object are compared; the recorded answer ignored them",
    ),
    "get-52-get-device-bring-table-name-path-rfind-pat": (
        "",
        "each path has its own column, also where the last names are the same",
    ),
    "get-71-get-operator-where-name": ("", "a condition without a comparison is refused"),
    "get-74-get-operator-where-name-op1-bring-name": (
        "",
        "`name != op1` compares the attribute; the recorded answer compared the word",
    ),
    "get-81-get-device-where-not-on-bring-name": ("", "`not [on]` holds where `on` is false"),
    "get-91-get-operator-bring-table": (
        "",
        "a table of whole policies has a column for each attribute",
    ),
    "get-root-policies-before-reload": (
        "19",
        "trees of policies are always up to date: nothing has to be loaded again",
    ),
    "get-children-before-reload": ("19", "the same"),
    "get-children-fields-ignored": (
        "19",
        "items behind `bring.children` are taken of the children",
    ),
    "delete-local-without-synchronizer": (
        "19",
        "a delete succeeds without a synchronizer; a policy that never left the node is gone",
    ),
    "push-apostrophe-in-company-fails": ("4", "any text can be stored: values are bound"),
    "push-table-missing-dbms": (
        "7",
        "the master checks the rules of the type, and nothing is stored",
    ),
    "update-file-keeps-old": ("10", "local policies stay, nothing has to be loaded again"),
    "replace-policy-other-type-silently-ignored": ("", "that nothing was replaced is an error"),
    "replace-policy-unknown-id-silently-ignored": ("", "that nothing was replaced is an error"),
    "update-dbms-from-file": ("25", "only policies that were added are counted"),
    "wait-by-id-always-fails": ("", "waiting for an id works"),
    "exit-synchronizer": ("24", "that nothing ran is said"),
    "get-synchronizer-idle": ("25", "there are more columns"),
    "get2-54-get-operator-where-name-op1-join-get-query": ("", "text behind a value is its part"),
    "get2-57-get-operator-where-name-op1-or-name-op2-bring-name": ("", "`or` joins equalities too"),
    "get2-63-get-id-device-name-d1": ("", "an object as value of an attribute is refused"),
}

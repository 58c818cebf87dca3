"""`python -m proofs`: check every derivation and print the table."""

import sys

from proofs import DERIVATIONS, record


def main() -> int:
    found = record.check_all(DERIVATIONS)
    record.keep(found)
    print(record.table(found))
    return int(any(row.faults or row.missed for row in found))


if __name__ == "__main__":
    sys.exit(main())

"""The answers of the servers of 2020 and 2021: routes, rules, and PHP's quirks. No I/O."""

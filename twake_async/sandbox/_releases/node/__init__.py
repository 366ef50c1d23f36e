"""The answers of the Node servers of 2022 and 2023 to an application. No I/O."""

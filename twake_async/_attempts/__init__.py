"""A send under way: its attempts, what each proved, and when the next one may be made."""

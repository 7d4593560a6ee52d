"""Who acts: residents with their accounts, staff with their roles, and what they did."""

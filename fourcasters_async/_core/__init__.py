"""What every request has in common. Knows no endpoint and no transport."""

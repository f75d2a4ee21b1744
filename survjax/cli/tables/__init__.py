"""What tables of users hold besides ages and flags: dates, and sheets of a workbook."""

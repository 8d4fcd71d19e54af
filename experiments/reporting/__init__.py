"""Parts of the page that 'report' makes."""

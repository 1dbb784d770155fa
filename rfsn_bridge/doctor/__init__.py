"""What `rfsn-bridge doctor` looks at, and what it advises."""

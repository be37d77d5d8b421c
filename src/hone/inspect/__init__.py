"""Looking at records: tables for people, and the numbers behind them."""

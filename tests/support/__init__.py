"""What tests share: programs to try, hostile inputs, processes of their own, and checks of what was written."""

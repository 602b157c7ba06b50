"""What only `stylegan sample` needs: sheets with a column for each psi or class, and data sets."""

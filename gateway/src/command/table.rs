use serde_json::Value;

/// Prints the answer of a query: aligned columns, numbers to the right, and the row count.
pub(crate) fn print_answer(answer: &Value) {
    let columns = answer["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<String> = columns.iter().map(|c| text(&c["name"])).collect();
    let rows: Vec<Vec<String>> = answer["rows"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|row| row.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(text).collect())
        .collect();
    print!("{}", render(&names, &rows));
    let count = rows.len();
    println!("({count} {})", if count == 1 { "row" } else { "rows" });
    if answer["truncated"].as_bool() == Some(true) || !answer["next"].is_null() {
        println!("there are more rows; use --format csv for all of them, or --limit");
    }
}

/// Prints one row an item, with the named members as columns.
pub(crate) fn print(headers: &[&str], items: &[Value], members: &[&str]) {
    let names: Vec<String> = headers.iter().map(|h| (*h).to_owned()).collect();
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| members.iter().map(|m| text(&item[*m])).collect()).collect();
    print!("{}", render(&names, &rows));
}

/// Prints a condition tree, a line a node.
pub(crate) fn print_tree(node: &Value) {
    fn lines(node: &Value, depth: usize, out: &mut String) {
        let mark = if node["holds"].as_bool() == Some(true) { "yes" } else { "no " };
        out.push_str(&format!("{}{mark} {}", "  ".repeat(depth), text(&node["text"])));
        if !node["value"].is_null() {
            out.push_str(&format!(" (now {})", text(&node["value"])));
        }
        if !node["until"].is_null() {
            out.push_str(&format!(", until {}", text(&node["until"])));
        }
        out.push('\n');
        for child in node["children"].as_array().map(Vec::as_slice).unwrap_or_default() {
            lines(child, depth + 1, out);
        }
    }
    let mut out = String::new();
    lines(node, 0, &mut out);
    print!("{out}");
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn render(names: &[String], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i)).chain(names.get(i));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let numeric =
        |i: usize| rows.iter().filter_map(|r| r.get(i)).all(|c| c.is_empty() || c.parse::<f64>().is_ok());
    let right: Vec<bool> = (0..names.len()).map(|i| !rows.is_empty() && numeric(i)).collect();
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .zip(&right)
            .map(
                |((cell, width), right)| {
                    if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let rule: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
    let mut out = line(names) + &line(&rule);
    out.extend(rows.iter().map(|row| line(row)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_go_right() {
        let names = ["currency".to_owned(), "revenue".to_owned()];
        let rows = [vec!["EUR".to_owned(), "7.50".to_owned()], vec!["Größe".to_owned(), "123.00".to_owned()]];
        assert_eq!(
            render(&names, &rows),
            "currency  revenue\n--------  -------\nEUR          7.50\nGröße      123.00\n"
        );
    }
}

//! What mail-parser shows of messages: input and output as of ../read_messages.js.
use std::io::{Read, Write};

use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};

fn part_texts(message: &Message, texts: &mut Vec<String>) {
    for part in &message.parts {
        match &part.body {
            PartType::Text(text) | PartType::Html(text) => texts.push(text.to_string()),
            PartType::Message(inner) => part_texts(inner, texts),
            PartType::Binary(data) | PartType::InlineBinary(data) => {
                let kind = part.content_type().map(|kind| kind.ctype().to_lowercase());
                if matches!(kind.as_deref(), Some("text" | "message")) {
                    texts.push(String::from_utf8_lossy(data).into_owned());
                }
            }
            PartType::Multipart(_) => {}
        }
    }
}

fn names(address: Option<&Address>, texts: &mut Vec<String>) {
    match address {
        Some(Address::List(list)) => {
            texts.extend(list.iter().filter_map(|one| one.name.as_ref()).map(|name| name.to_string()))
        }
        Some(Address::Group(groups)) => {
            for group in groups {
                texts.extend(group.name.as_ref().map(|name| name.to_string()));
                texts.extend(group.addresses.iter().filter_map(|one| one.name.as_ref()).map(|name| name.to_string()));
            }
        }
        None => {}
    }
}

fn shown(direction: &str, data: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    let Some(message) = MessageParser::default().parse(data) else {
        return texts;
    };
    part_texts(&message, &mut texts);
    if direction == "out" {
        texts.extend(message.subject().map(str::to_string));
        for address in [message.from(), message.sender(), message.reply_to(), message.to(), message.cc()] {
            names(address, &mut texts);
        }
    }
    texts.retain(|text| !text.trim().is_empty());
    texts
}

fn main() -> std::io::Result<()> {
    let mut input = Vec::new();
    let mut number = 0;
    let mut found = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;

    let mut rest = input.as_slice();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        let (direction, length) = line.split_once(' ').expect("a direction and a length");
        let (message, after) = rest[end + 1..].split_at(length.parse().expect("a length"));
        for text in shown(direction, message) {
            found.push(serde_json::json!([number, "mail-parser", text]));
        }
        rest = after;
        number += 1;
    }
    write!(std::io::stdout(), "{}", serde_json::json!({"number": number, "shown": found}))
}
